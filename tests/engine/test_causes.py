"""Why a run failed is said once, however often the engine says it, and with what helps."""

from __future__ import annotations

from engine.causes import cause
from engine.events import Steps

#: As the engine says it where a disk fills up in mid-run, once for each resource that it then cannot record.
UNSAVED = (
    "{step} event returned an error: failed to save snapshot: An IO error occurred while writing the new snapshot file: "
    'blob (key ".pulumi/stacks/ringwall/dev.one.json") (code=Unknown): write '
    "/s/.pulumi/stacks/ringwall/dev.one.json.{number:016x}.tmp: {reason}"
)


def test_a_disk_that_fills_up_in_mid_run_is_one_line_with_what_to_run() -> None:
    steps = Steps()
    steps.errors = [
        UNSAVED.format(
            step="pre-step" if number % 2 else "post-step", number=number + 256, reason="no space left on device"
        )
        for number in range(7)
    ]
    assert cause(steps, "error: update failed", "dev.one") == (
        "what was done is not recorded: write /s/.pulumi/stacks/ringwall/dev.one.json: no space left on device; the disk is "
        "full: make room, then run `ringwall repair dev.one`"
    )


def test_what_a_service_refused_stands_before_what_could_not_be_recorded() -> None:
    steps = Steps()
    steps.errors = ["403 Forbidden", UNSAVED.format(step="pre-step", number=256, reason="read-only file system")]
    assert cause(steps, "", "dev.one").splitlines() == [
        "403 Forbidden",
        "what was done is not recorded: write /s/.pulumi/stacks/ringwall/dev.one.json: read-only file system; the state "
        "cannot be written: let this user write there, or mount it writable",
    ]


def test_a_store_that_cannot_be_written_is_asked_for_as_a_backend() -> None:
    steps = Steps()
    steps.errors = ['failed to save snapshot: blob (key "x") (code=PermissionDenied): 403']
    assert cause(steps, "", "dev.one").endswith(
        "; the backend cannot be reached: check backend.url, its credentials and the network"
    )


def test_an_error_that_the_programs_host_repeats_is_said_once() -> None:
    refused = "environment dev as deployed differs from Pulumi.dev.yaml; run `ringwall up dev` first"
    unhandled = "an unhandled error occurred: "
    assert cause(Steps(errors=[refused, unhandled + refused]), "", "dev.one") == refused
    assert cause(Steps(errors=[unhandled + refused, refused]), "", "dev.one") == refused
    assert cause(Steps(errors=[refused, f"{unhandled}another"]), "", "dev.one") == f"{refused}\n{unhandled}another"
