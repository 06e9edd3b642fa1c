"""Binaries and images of Kubernetes: what they are, where they come from, where they are kept.

catalogue  which components and versions belong to a Kubernetes release (data/catalogue.toml)
model      Artifact, ArtifactSet: what was obtained, by digest
store      the content-addressed cache on the operator's machine
fetch      obtain() and lookup(): from a source into the store
upstream   release files and checksums over HTTP; registry: images over HTTP
build      programs from Go modules; images from programs and Debian packages
oci        image layers, manifests and archives, byte for byte reproducible
bundle     one file with everything, for operators without Internet
"""
