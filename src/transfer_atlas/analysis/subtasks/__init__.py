"""Binary sub-tasks of segmentation datasets: how they are related, and what that does to transfers."""
