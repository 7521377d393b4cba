"""Task networks of AT/DT as candidates of `recommend`: on request alone, since they are no sources of transfers."""

from __future__ import annotations

from typing import Any

from transfer_atlas.atdt.settings import NetworkSettings
from transfer_atlas.planning.atdt import DATASET
from transfer_atlas.planning.plan import Plan
from transfer_atlas.planning.run import Run
from transfer_atlas.planning.transfers import Builder

KIND = "atdt_source"
NAMED = "atdt:"  # before the name of such a candidate


def atdt_candidates(plan: Plan, build: Builder, place: str) -> dict[str, Run]:
    """Encoders of the plan's task networks of one task by name, sorted: those that no image of `place` was seen by.

    N1 is of several domains, N2 and the oracle of one. Of each network the one with the lowest seed stands for all, as
    a source has one set of weights; with an encoder for every domain each is a candidate. Networks of two tasks (No
    Transfer) are left out: what they are a source of is not said by one task type.
    """
    found: dict[str, tuple[int, Run]] = {}
    for network in plan.of_kind("atdt_network"):
        if len(network.settings["tasks"]) > 1 or place in datasets_of(network):
            continue
        shared = network.settings["encoders"] == "shared"
        encoders = [None] if shared else sorted(_places(network))
        for encoder in encoders:
            name = (
                NAMED + network.name.rpartition("--seed")[0] + ("" if encoder is None else f"-of-{encoder}")
            )
            seed = network.settings["seed"]
            name = (
                name if name not in found or _alike(found[name][1], network) else f"{name}-{network.key[:6]}"
            )
            if name not in found or seed < found[name][0]:
                found[name] = seed, _source(build, network, encoder)
    return {name: run for name, (_, run) in sorted(found.items())}


def datasets_of(run: Run) -> list[str]:
    """Places that a task network, or the source made of it, was trained on; of a translated dataset those of both."""
    network = run.parents.get("network", run)
    found = set()
    for role, dataset in network.parents.items():
        if role.startswith(DATASET):
            chain = [dataset, *dataset.parents.values()] if dataset.kind == "atdt_translated" else [dataset]
            found |= {each.name for each in chain if each.kind == "prepared"}
            found |= {own.name for each in chain for own in each.parents.values() if own.kind == "prepared"}
    return sorted(name.replace(".", "@") for name in found)


def _places(network: Run) -> list[str]:
    return [role.removeprefix(DATASET) for role in network.parents if role.startswith(DATASET)]


def _alike(source: Run, network: Run) -> bool:
    """Whether two networks differ in their seed alone."""
    return _but_for_its_seed(source.parents["network"]) == _but_for_its_seed(network)


def _but_for_its_seed(network: Run) -> tuple[dict[str, Any], dict[str, str]]:
    settings = {name: value for name, value in network.settings.items() if name != "seed"}
    return settings, {role: parent.key for role, parent in network.parents.items()}


def _source(build: Builder, network: Run, encoder: str | None) -> Run:
    (task_type,) = network.settings["tasks"]
    settings: dict[str, Any] = {"backbone": backbone_of(network), "task_type": task_type}
    return Run(
        kind=KIND,
        name=network.name + ("" if encoder is None else f"-of-{encoder}"),
        settings=settings | ({} if encoder is None else {"encoder": encoder}),
        code=build.code(KIND),
        parents={"network": network},
    )


def backbone_of(network: Run) -> dict[str, Any]:
    """The encoder of a task network as a backbone's settings: an HRNet is one of a study, a ResNet is dilated."""
    chosen = NetworkSettings.from_hashed(network.settings["network"])
    if chosen.is_hrnet:
        return {"name": chosen.encoder}
    return {
        "name": chosen.encoder,
        "batch_norm": chosen.batch_norm,
        "dilations": list(chosen.dilations),
        "output_stride": chosen.output_stride,
    }
