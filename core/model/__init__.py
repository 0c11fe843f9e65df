"""Types and rules of usage billing; pure, imports no client library."""
