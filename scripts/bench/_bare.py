"""The reference: the smallest FastAPI routes on the same driver and database, and nothing else."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel


class BareClip(BaseModel):
    """The body of a bare insert."""

    scene_id: str
    name: str
    length: float


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(os.environ["MONGO_URL"])
    app.state.database = client[os.environ["DB_NAME"]]
    yield
    client.close()


app = FastAPI(lifespan=lifespan)


def renamed(document: dict[str, Any]) -> dict[str, Any]:
    document["id"] = document.pop("_id")
    return document


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/projects/{project_id}")
async def one_project(project_id: str) -> dict[str, Any]:
    return renamed(await app.state.database.projects.find_one({"_id": project_id}))


@app.get("/clips/{clip_id}")
async def one_clip(clip_id: str) -> dict[str, Any]:
    return renamed(await app.state.database.clips.find_one({"_id": clip_id}))


@app.get("/scenes/{scene_id}/clips")
async def clips_of_scene(scene_id: str) -> list[dict[str, Any]]:
    cursor = app.state.database.clips.find({"scene_id": scene_id}).sort("timeline_position", 1)
    return [renamed(document) for document in await cursor.limit(100).to_list(None)]


@app.post("/clips", status_code=201)
async def insert(clip: BareClip) -> dict[str, str]:
    result = await app.state.database.bare_clips.insert_one(clip.model_dump())
    return {"id": str(result.inserted_id)}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["BARE_PORT"]), log_level="warning", access_log=False)
