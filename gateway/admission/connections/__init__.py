"""One client's connection: it bounds what its client can hold, and keeps one request from becoming two.

uvicorn has no such limits, and stops reading at a header Upgrade. This folder alone touches the inside of its protocol,
so its version is pinned, and tests/integration/gateway/admission/test_inside_uvicorn.py fails if that inside changes.
Nothing here is done for each request that can be done for a connection, a chunk or an error.
"""
