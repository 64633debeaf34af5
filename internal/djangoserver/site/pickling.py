"""Django's PickleSerializer, which is gone since Django 5.0; some sites keep it as their own."""
import pickle


class PickleSerializer:
    def dumps(self, obj):
        return pickle.dumps(obj, pickle.HIGHEST_PROTOCOL)

    def loads(self, data):
        return pickle.loads(data)
