"""Plot results with matplotlib. Each function returns a figure.

Examples
--------
>>> import numpy as np
>>> from lineup.figures.confusion import confusion_matrix
>>> figure = confusion_matrix(np.array([[9, 1], [2, 8]]), ["cat", "dog"], title="cnn")
>>> [text.get_text() for text in figure.axes[0].texts[:4]]
['9', '1', '2', '8']
"""
