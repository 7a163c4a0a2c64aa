"""Sends a guard's audit log elsewhere: records as OCSF events to syslog or to an S3-compatible store."""
