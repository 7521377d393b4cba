"""Sharing results through git and DVC: what is recorded, pulled, verified, merged and thrown away.

Nothing here imports dvc; its command line is called, one process at a time.
"""
