"""Architectures side by side: trained alike, measured alike, judged by stated rules."""
