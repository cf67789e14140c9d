"""Who may look at an identity, with the clients that have methods for it (0.4.4 to 0.5.12).

Inputs: ``base_url``, ``admin_key``, ``viewer_key``, ``viewer_id``, ``target`` and ``viewer`` (handles).
"""

import json
import sys

from inkbox import Inkbox, InkboxAPIError, RedundantContactAccessGrantError


def main(inputs):
    with (
        Inkbox(api_key=inputs["admin_key"], base_url=inputs["base_url"]) as admin,
        Inkbox(api_key=inputs["viewer_key"], base_url=inputs["base_url"]) as viewer,
    ):
        target = admin.get_identity(inputs["target"])
        result = {"before": handles(viewer)}
        row = target.grant_access(inputs["viewer_id"])
        result["row"] = [str(row.target_identity_id) == str(target.id), str(row.viewer_identity_id)]
        result["again"] = status(lambda: target.grant_access(inputs["viewer_id"]))
        result["granted"] = [handles(viewer), viewer.get_identity(inputs["target"]).email_address]
        result["listed"] = [str(one.viewer_identity_id) for one in target.list_access()]
        result["by_viewer"] = status(lambda: viewer.get_identity(inputs["target"]).list_access())
        target.revoke_access(inputs["viewer_id"])
        result["revoked"] = [handles(viewer), status(lambda: target.revoke_access(inputs["viewer_id"]))]
        wildcard = target.grant_access(None)
        result["wildcard"] = [wildcard.viewer_identity_id, str(target.grant_access(None).id) == str(wildcard.id)]
        result["open"] = handles(viewer)
        result["redundant"] = redundant(lambda: target.grant_access(inputs["viewer_id"]))
        return result


def handles(client):
    return sorted(one.agent_handle for one in client.list_identities())


def status(call):
    try:
        call()
    except InkboxAPIError as error:
        return error.status_code
    return 200


def redundant(call):
    try:
        call()
    except RedundantContactAccessGrantError as error:
        return [error.status_code, error.error, bool(error.detail_message)]
    return None


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
