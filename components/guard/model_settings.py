"""Builds the configuration of a model route's guard from the reviewed files. Pure: no Pulumi, no I/O."""

from __future__ import annotations

from collections.abc import Mapping

from components.gateway.names import GUARD_KEY_HEADER, PRINCIPAL_HEADER, inner_host
from components.guard.settings import audit_file, identity, listen, principals
from model.guard_config import Audit, ServerName
from model.model_guard_config import InnerGateway, InnerModel, ModelGuardConfig, ModelRight
from model.model_route import bound_name
from model.name_patterns import matches_any
from model.stacks import ModelStack, leg_of


def build_model_guard_config(
    stack: ModelStack, audiences: Mapping[str, str], agent_client_ids: Mapping[str, str]
) -> ModelGuardConfig:
    """The whole configuration of one model route's guard.

    Args:
        audiences: `aud` of the Access application of each host name.
        agent_client_ids: service token client id of each agent that access admits.

    Raises:
        InputError: the route has no guard.
    """
    manifest, settings, leg = stack.manifest, stack.settings, leg_of(stack)
    gateway_port = settings.hosts[manifest.host].gateway_port
    return ModelGuardConfig(
        version=1,
        model_route=ServerName(environment=stack.environment.name, name=stack.name),
        listen=listen(stack),
        path=manifest.path,
        browser_origins=manifest.cors.origins if manifest.cors else (),
        admin_port=manifest.admin_port,
        redis=leg.settings.redis,
        inner=InnerGateway(
            url=f"http://127.0.0.1:{gateway_port}",
            key_header=GUARD_KEY_HEADER,
            key=leg.key,
            principal_header=PRINCIPAL_HEADER if manifest.gateway.limits is not None else None,
        ),
        models=tuple(
            InnerModel(
                name=name,
                kinds=model.kinds,
                inner_host=inner_host(stack, name),
                provider_model=model.targets[0].model,
                price=model.price,
                max_output_tokens=model.max_output_tokens,
                bound=bound_name(model.targets[0]),
            )
            for name, model in sorted(manifest.models.items())
        ),
        identity=identity(stack, audiences, agent_client_ids),
        # A closed route grants nothing, which is to deny everything.
        grants=() if manifest.lockdown else tuple(model_rights_of(stack)),
        limits=manifest.limits,
        cache=manifest.cache.exact,
        timeouts=manifest.timeouts,
        guard=leg.settings,
        audit=Audit(
            path=audit_file(stack.stack), payloads=leg.settings.audit_payloads, anchor=leg.settings.audit_anchor
        ),
    )


def model_rights_of(stack: ModelStack) -> list[ModelRight]:
    """Each grant with its principals and models resolved."""
    names = sorted(stack.manifest.models)
    return [
        ModelRight(
            to=principals(grant.to, stack.settings),
            models=tuple(name for name in names if matches_any(grant.models, name)),
            budget=grant.budget,
        )
        for grant in stack.manifest.grants
    ]
