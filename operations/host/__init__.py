"""What an origin host runs, as files: systemd units, Compose or Kubernetes, made of the host bundles of its servers."""
