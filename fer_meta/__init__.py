"""fer-meta: does meta-learning beat plain supervised training on faces?"""

__version__ = "0.1.0"
