"""Makes the engines that are asked over the network, each by its settings; a module is imported where it is needed."""

from __future__ import annotations

from functools import partial

from guard.engines.http_engine import HttpEngine
from guard.inspect.verdict import Leg
from model.engines import (
    AzureContentSafetyEngine,
    BedrockEngine,
    ContractEngine,
    LakeraEngine,
    ModelArmorEngine,
    PrismaAirsEngine,
    VerdictService,
)
from wire.secrets import read_secret


def make_engine(settings: VerdictService, secret: str, *, thorough: frozenset[Leg] = frozenset()) -> HttpEngine:
    """The engine of these settings. `secret` is empty where they name none.

    Raises:
        InputError: the certificates to trust cannot be read.
    """
    match settings:
        case LakeraEngine():
            from guard.engines.lakera import LakeraVerdictEngine

            return LakeraVerdictEngine(settings.base_url, settings.project_id, secret, thorough=thorough)
        case PrismaAirsEngine():
            from guard.engines.prisma_airs import PrismaAirsVerdictEngine

            return PrismaAirsVerdictEngine(
                settings.base_url, settings.profile_name, secret, settings.block_on, thorough=thorough
            )
        case BedrockEngine():
            from guard.engines.bedrock import BedrockVerdictEngine

            return BedrockVerdictEngine(
                settings.base_url,
                settings.guardrail,
                settings.guardrail_version,
                secret,
                settings.block_on,
                thorough=thorough,
            )
        case ModelArmorEngine():
            from guard.engines.model_armor import ModelArmorVerdictEngine

            token = partial(read_secret, settings.token)
            return ModelArmorVerdictEngine(settings.base_url, settings.template, token, thorough=thorough)
        case AzureContentSafetyEngine():
            from guard.engines.azure_content_safety import AzureContentSafetyVerdictEngine

            return AzureContentSafetyVerdictEngine(settings.base_url, secret, thorough=thorough)
        case ContractEngine():
            from guard.engines.contract import ContractVerdictEngine

            return ContractVerdictEngine(settings.url, secret, settings.piece, settings.ca_file, thorough=thorough)
    raise TypeError(f"there is no engine for {type(settings).__name__}")
