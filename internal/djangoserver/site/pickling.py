"""Django's PickleSerializer. Django 5.0 removed it; some projects keep a copy."""
import pickle


class PickleSerializer:
    def dumps(self, obj):
        return pickle.dumps(obj, pickle.HIGHEST_PROTOCOL)

    def loads(self, data):
        return pickle.loads(data)
