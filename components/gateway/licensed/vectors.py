"""Vector store and embeddings model of the plugins that compare texts by meaning (Kong 3.15). Pure."""

from __future__ import annotations

from typing import Any

from components.gateway.licensed.redis import redis_record
from model.environment import Redis
from model.model_gateway import VectorSearch
from model.model_target import ProviderModel


def vector_records(search: VectorSearch, threshold: str) -> dict[str, Any]:
    """The records `vectordb` and `embeddings`; the certificate of the store is verified where TLS is on."""
    redis = search.store == "redis"
    return {
        "vectordb": {
            "strategy": search.store,
            "dimensions": search.dimensions,
            "distance_metric": "cosine",
            "threshold": float(threshold),
            "redis": redis_record(_redis(search) if redis else None),
            "pgvector": _pgvector(None if redis else search),
        },
        "embeddings": _embeddings(search.embeddings),
    }


def _redis(search: VectorSearch) -> Redis:
    return Redis(
        host=search.host,
        port=search.port or 6379,
        username=search.username,
        password=search.password,
        tls=search.tls,
    )


def _pgvector(search: VectorSearch | None) -> dict[str, Any]:
    """Kong's own defaults where the store is another."""
    return {
        "host": search.host if search else "127.0.0.1",
        "port": (search.port if search else None) or 5432,
        "database": (search.database if search else None) or "kong-pgvector",
        "user": (search.username if search else None) or "postgres",
        "password": search.password if search else None,
        "timeout": 5000,
        "ssl": search.tls if search else False,
        # Without it a store that offers no TLS is spoken to in clear.
        "ssl_required": search.tls if search else False,
        "ssl_verify": True,
        "ssl_version": "tlsv1_2",
        "ssl_cert": None,
        "ssl_cert_key": None,
    }


def _embeddings(model: ProviderModel) -> dict[str, Any]:
    carries = model.credential is not None
    return {
        "auth": {
            "allow_override": False,
            "aws_access_key_id": None,
            "aws_secret_access_key": None,
            "azure_client_id": None,
            "azure_client_secret": None,
            "azure_tenant_id": None,
            "azure_use_managed_identity": False,
            "gcp_metadata_url": None,
            "gcp_oauth_token_url": None,
            "gcp_service_account_json": None,
            "gcp_use_service_account": False,
            "header_name": model.credential_header if carries else None,
            "header_value": model.credential,
            "param_location": None,
            "param_name": None,
            "param_value": None,
        },
        "model": {
            "provider": model.provider,
            "name": model.model,
            "options": {
                "azure": {
                    "api_version": model.options.get("azure_api_version", "2023-05-15"),
                    "deployment_id": model.options.get("azure_deployment_id"),
                    "instance": model.options.get("azure_instance"),
                },
                "bedrock": None,
                "gemini": None,
                "huggingface": None,
                "upstream_url": model.url,
            },
        },
    }
