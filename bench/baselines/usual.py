"""The usual way: FastAPI, one transaction for each request, then the event is sent and its acknowledgement awaited.

It answers 201 only when both have happened, as Headgate does; what happens to a row whose send fails is its weak spot.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine

from contracts import Application, NewApplication, time_of, to_headers, to_key, value_of
from gateway.database.ids import Ids
from gateway.database.tables import applications
from gateway.settings import Settings

new_id = Ids()


def create_app() -> FastAPI:
    """The application; its settings are the gateway's."""
    settings = Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.engine = create_async_engine(settings.database_url.get_secret_value(), pool_size=32)
        app.state.producer = settings.kafka.producer(enable_idempotence=True, acks="all")
        await app.state.producer.start()
        yield
        await app.state.producer.stop()
        await app.state.engine.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.post("/applications", status_code=201)
    async def submit(new: NewApplication, request: Request) -> Application:
        id_ = new_id()
        stored = Application(id=id_, created_at=time_of(id_), **new.model_dump())
        async with request.app.state.engine.begin() as connection:
            await connection.execute(insert(applications).values(stored.model_dump()))
        await request.app.state.producer.send_and_wait(
            settings.topics.applications,
            key=to_key(stored.user_name),
            value=value_of(stored),
            headers=to_headers(id=stored.id, created_at=stored.created_at),
        )
        return stored

    return app
