"""Binaries and images of Kubernetes: what they are, where they come from, where they are kept.

catalogue  which components and versions belong to a Kubernetes release (data/catalogue.toml)
model      Artifact, ArtifactSet: what was obtained, by digest
store      the content-addressed cache on the operator's machine; locks: between processes
fetch      obtain() and lookup(): from a source into the store
sources    choosing a source; supplier: what all of them have in common
upstream   release files with their checksums; registry: images; transfer: HTTP below both
build      programs from Go modules; images from programs and Debian packages
archives   image archives for hosts, kept beside the store; atomic: files whole or not at all
oci        image layers, manifests and archives, byte for byte reproducible
bundle     one file with everything of releases, for operators without Internet
named      files that a spec names: manifests and image archives of the user's own
progress   telling what long work does; console: to people
"""
