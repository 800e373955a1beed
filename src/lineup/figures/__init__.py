"""Plot results with matplotlib. Each function returns a figure.

Examples
--------
>>> import numpy as np
>>> from lineup.figures.confusion import confusion_matrix
>>> figure = confusion_matrix(np.array([[9, 1], [2, 8]]), ["cat", "dog"], title="cnn")
>>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
('predicted class', 'actual class')
"""
