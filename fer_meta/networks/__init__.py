"""Backbones, their weights and BatchNorm."""
