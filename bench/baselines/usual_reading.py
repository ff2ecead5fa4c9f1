"""Reading the usual way: FastAPI, an ORM session for each request, a response model, and a count for each page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from gateway.settings import Settings


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "applications"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_name: Mapped[str]
    description: Mapped[str]
    created_at: Mapped[datetime]


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    user_name: str
    description: str
    created_at: datetime


class Page(BaseModel):
    items: list[Out]
    total: int
    page: int
    size: int
    pages: int


def create_app() -> FastAPI:
    """The application; its settings are the gateway's."""
    settings = Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = create_async_engine(settings.database_url.get_secret_value(), pool_size=16)
        app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/applications/{id_}")
    async def one(id_: UUID, request: Request) -> Out:
        session: AsyncSession
        async with request.app.state.sessions() as session:
            row = await session.get(Row, id_)
        if row is None:
            raise HTTPException(404)
        return Out.model_validate(row)

    @app.get("/applications")
    async def page(
        request: Request, page: int = 1, size: int = 20, user_name: str | None = None, cursor: str = ""
    ) -> Page:
        query = select(Row)
        if user_name is not None:
            query = query.where(Row.user_name == user_name)
        if cursor:
            query = query.where(UUID(cursor) > Row.id)
        session: AsyncSession
        async with request.app.state.sessions() as session:
            total = (await session.execute(select(func.count()).select_from(query.subquery()))).scalar_one()
            ordered = query.order_by(Row.id.desc()).offset((page - 1) * size).limit(size)
            rows = (await session.execute(ordered)).scalars().all()
        items = [Out.model_validate(row) for row in rows]
        return Page(items=items, total=total, page=page, size=size, pages=-(-total // size))

    return app
