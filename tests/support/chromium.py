"""The system's browsers, of the same source and version: Chromium, and its shell, which draws for nobody.

The shell starts and opens pages for a third of the CPU; it has no windows with tabs, and all of its pages are seen.
"""

from shutil import which

CHROMIUM = which("chromium")
SHELL = which("chromium-headless-shell")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MISSING = "needs the Debian packages chromium and chromium-headless-shell"
