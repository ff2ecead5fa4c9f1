"""gateway/admission/connections reaches into uvicorn and httptools: read other versions before writing them here."""

import hashlib
import inspect
from importlib.metadata import version

from uvicorn.protocols.http import flow_control, httptools_impl


def test_the_inside_of_uvicorn_is_as_it_was_read() -> None:
    source = inspect.getsource(httptools_impl) + inspect.getsource(flow_control)
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == "ea814cf42e50628d"
    assert version("httptools") == "0.9.0"
