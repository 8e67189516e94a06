"""From faces to an accuracy with its interval: two methods, trained on rendered faces and tested on
people that they have not seen, in the same domain and in another.

    python examples/quickstart.py          # some minutes on two CPU cores; the faces are rendered once
"""

import fer_meta as fm


def main(size: int = 48, images: int = 3000, episodes: int = 600, **settings) -> None:
    wild = fm.load_faces("synthetic-wild", size=size, images=images)
    film = fm.load_faces("synthetic-film", size=size, images=images)
    for method in ("protonet", "supervised"):
        model = fm.train(method, wild, way=5, shots=5, backbone="conv4", **settings)
        print(model)
        for faces in (wild, film):
            print(f"\n{method}, synthetic-wild -> {faces.name} (rendered), 5-way 5-shot")
            print(fm.evaluate(model, faces, way=5, shots=5, episodes=episodes).round(3))


if __name__ == "__main__":
    main()
