"""Trained models on the Hugging Face hub, and data sets from there."""
