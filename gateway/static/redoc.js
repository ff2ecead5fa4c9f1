// Starts ReDoc; a file of its own, because the Content-Security-Policy allows no inline script.
Redoc.init("openapi.json", { hideDownloadButton: false, disableSearch: true, nativeScrollbars: true }, document.getElementById("docs"));
