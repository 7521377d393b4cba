"""Results of AT/DT: tables in the shape of the paper's, findings, figures."""
