"""The known bugs that people make when they write a recurrent network by hand, as engines that make them."""
