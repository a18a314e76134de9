"""What blocking does to a campaign that answers it, and to everybody else."""
