"""Let the client's own verifier judge deliveries.

Inputs: ``secret``, ``headers``, ``bodies_base64``. Reports one verdict for each body.
"""

import base64
import json
import sys

from inkbox import verify_webhook


def main(inputs):
    return {
        "verdicts": [
            verify_webhook(
                payload=base64.b64decode(body),
                headers=inputs["headers"],
                secret=inputs["secret"],
            )
            for body in inputs["bodies_base64"]
        ]
    }


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
