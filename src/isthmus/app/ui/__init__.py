# SPDX-License-Identifier: Apache-2.0
"""The screen: static files of the package, given to browsers by the API's application."""
