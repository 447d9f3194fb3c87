"""Ids in the examples of the manual: placeholders, to be replaced by those of things that exist."""

PROJECT = "0d3c9a52-6f0e-4f57-9d0e-5d7c7a2b1c11"
SCENE = "7c2b7a31-3b64-4a6a-9b0c-f6f1f2a7a001"
CLIP = "a1d0c7de-0f60-4f6e-8f2b-6f6c2b6f0001"
OTHER_CLIP = "a1d0c7de-0f60-4f6e-8f2b-6f6c2b6f0002"
TAKE = "51aa7e40-52c3-4d2f-9a76-0b8e4c5d0001"
JOB = "9c41f2b8-77aa-4b4e-8c0f-1e2d3c4b0001"
BATCH = "77ab5e0c-1c9d-4c53-9f0b-7f6e5d4c0001"
SERVER = "9d1c7a2b-4e5f-4a6b-8c7d-9e0f1a2b0001"
CHARACTER = "5be0a7c4-2f5a-4d53-8f38-6f1d9f7b0001"
TEMPLATE = "c0b1f6de-8f0a-4be5-9b55-7d1f5f9a0001"
WORKFLOW = "8a4f1c2e-2b7d-4c1e-9a35-4e6b1d2c0001"
WEBHOOK = "3e0b1f6d-8f0a-4be5-9b55-7d1f5f9a0001"
DELIVERY = "d51f7c2b-3b64-5a6a-9b0c-f6f1f2a7a001"
POOL_ITEM = "5be1c7de-0f60-4f6e-8f2b-6f6c2b6f0001"

#: Where media of a project are served, as answers tell it.
MEDIA = "http://127.0.0.1:8001/uploads/projects/0d3c"
FACES = "http://127.0.0.1:8001/uploads/faces"
#: A time in those examples, as answers write it.
MOMENT = "2026-03-01T12:00:00.000Z"
