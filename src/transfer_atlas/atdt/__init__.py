"""Learning across tasks and domains (AT/DT, Zama Ramirez et al. 2019): networks, the four steps, and their runs."""
