"""Files that are written from the code: settings, OpenAPI, ready requests.

May import the modules at the root.
"""
