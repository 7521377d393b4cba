"""Task types: target encoding, head, loss, decoding and evaluation, one file each."""
