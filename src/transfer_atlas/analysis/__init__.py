"""Analysis of finished transfers: gains, effects and figures."""
