"""The user test of Araújo and Veloso as a local web page: which of two pictures was colored by a network?"""
