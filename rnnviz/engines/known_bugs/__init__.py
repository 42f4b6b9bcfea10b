"""Known bugs of implementations of recurrent networks, as engines that simulate them."""
