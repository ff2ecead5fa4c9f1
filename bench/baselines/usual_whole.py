"""Reading and writing the usual way, in one service."""

from fastapi import FastAPI

from bench.baselines import usual, usual_reading


def create_app() -> FastAPI:
    """The application; its settings are the gateway's."""
    app = usual.create_app()
    app.include_router(usual_reading.create_app().router)
    return app
