"""Networks that timm does not have, each in a file and a stage of code of its own."""
