"""Create one identity. Inputs: ``base_url``, ``api_key``, ``handle``."""

import json
import sys

from inkbox import Inkbox


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        identity = client.create_identity(inputs["handle"])
        return {"id": str(identity.id), "email_address": identity.email_address}


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
