"""The networks, one file for each paper; importing them registers their builders."""

from zoo.architectures import autoencoder, color_unet, ibn_gan, iizuka2016, larsson2016, pix2pix, zhang2016

__all__ = ["autoencoder", "color_unet", "ibn_gan", "iizuka2016", "larsson2016", "pix2pix", "zhang2016"]
