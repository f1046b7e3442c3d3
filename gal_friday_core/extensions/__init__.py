"""Code from outside: what installed packages offer by entry points (`offers`), how it is loaded (`loading`), and what it promises (`contracts`)."""
