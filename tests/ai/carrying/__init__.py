"""What a call can carry beside a text, from the value that names it to the bill that it makes."""
