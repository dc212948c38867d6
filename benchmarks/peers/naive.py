"""As a first FastAPI webhook is written: body as dict, deep copy, changes, diff, dict out."""

from __future__ import annotations

import base64
import copy
import json
import os
from pathlib import Path
from typing import Any

import jsonpatch
from fastapi import FastAPI

TREATMENT = json.loads(Path(os.environ["TREATMENT_FILE"]).read_text(encoding="utf-8"))

app = FastAPI()


@app.post("/mutate")
async def mutate(review: dict[str, Any]) -> dict[str, Any]:
    """Give the pod of a review the treatment of the file."""
    pod = review["request"]["object"]
    treated = copy.deepcopy(pod)
    treated["metadata"]["labels"].update(TREATMENT["labels"])
    treated["metadata"]["annotations"].update(TREATMENT["annotations"])
    for container in treated["spec"]["containers"]:
        if container["name"] == "base":
            container["command"] = TREATMENT["command"]
    patch = jsonpatch.make_patch(pod, treated)
    return {
        "apiVersion": review["apiVersion"],
        "kind": review["kind"],
        "response": {
            "uid": review["request"]["uid"],
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": base64.b64encode(patch.to_string().encode()).decode(),
        },
    }
