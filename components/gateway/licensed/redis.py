"""The Redis record that the licensed plugins share: every field of Kong 3.15's, shared counters or none. Pure."""

from __future__ import annotations

from typing import Any

from model.environment import Redis


def redis_record(redis: Redis | None) -> dict[str, Any]:
    """Kong's own defaults where there is no shared Redis; the certificate is verified where there is one."""
    return {
        "cloud_authentication": None,
        "cluster_max_redirections": 5,
        "cluster_nodes": None,
        "connect_timeout": 2000,
        "connection_is_proxied": False,
        "database": 0,
        "host": redis.host if redis else "127.0.0.1",
        "keepalive_backlog": None,
        "keepalive_pool_size": 256,
        "password": redis.password if redis else None,
        "port": redis.port if redis else 6379,
        "read_timeout": 2000,
        "send_timeout": 2000,
        "sentinel_master": None,
        "sentinel_nodes": None,
        "sentinel_password": None,
        "sentinel_role": None,
        "sentinel_username": None,
        "server_name": redis.host if redis and redis.tls else None,
        "ssl": redis.tls if redis else False,
        "ssl_verify": True,
        "username": redis.username if redis else None,
    }
