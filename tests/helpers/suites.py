"""A suite file as a user may write one."""

GOOD = """\
name: mine
title: Mine
protocol:
  way: 5
  shots: [1, 5]
methods:
  protonet: {steps: 100}
presets:
  quick:
    protocol: {episodes: 50}
  full: {}
"""
