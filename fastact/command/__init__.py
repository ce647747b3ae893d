"""The command ``fastact``: its options, the tables it prints and the pictures it draws."""
