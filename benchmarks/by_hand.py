"""What a team would write without RiverEdge: the notes of the example plugin in FastAPI, SQLModel and PyJWT."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from sqlalchemy import DateTime, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

PUBLIC_KEY = os.environ["BY_HAND_PUBLIC_KEY"]
engine = create_async_engine(os.environ["BY_HAND_DATABASE_URL"])


class Note(SQLModel, table=True):
    """The same columns as the example plugin's note."""

    __tablename__ = "by_hand_note"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(index=True)
    title: str
    text: str = ""
    version: int = 1
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC), sa_type=DateTime(timezone=True))
    updated_at: datetime = Field(default_factory=lambda: datetime.now(UTC), sa_type=DateTime(timezone=True))


class NoteIn(BaseModel):
    title: str
    text: str = ""


class NoteOut(NoteIn):
    id: UUID
    version: int
    created_at: datetime
    updated_at: datetime


class NotePage(BaseModel):
    items: list[NoteOut]


if engine.dialect.name == "sqlite":

    @event.listens_for(engine.sync_engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Note.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def tenant(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> UUID:
    try:
        claims = jwt.decode(credentials.credentials, PUBLIC_KEY, algorithms=["EdDSA"], options={"verify_aud": False})
    except jwt.PyJWTError:
        raise HTTPException(401) from None
    return UUID(claims["tid"])


async def session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as opened:
        yield opened


Tenant = Annotated[UUID, Depends(tenant)]
Session = Annotated[AsyncSession, Depends(session)]


@app.get("/notes")
async def list_notes(tenant_id: Tenant, session: Session, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> NotePage:
    query = select(Note).where(Note.tenant_id == tenant_id).order_by(col(Note.created_at).desc()).limit(limit)
    rows = (await session.exec(query)).all()
    return NotePage(items=[NoteOut.model_validate(row, from_attributes=True) for row in rows])


@app.post("/notes", status_code=201)
async def create_note(body: NoteIn, tenant_id: Tenant, session: Session) -> NoteOut:
    note = Note(tenant_id=tenant_id, **body.model_dump())
    session.add(note)
    await session.commit()
    await session.refresh(note)
    return NoteOut.model_validate(note, from_attributes=True)
